/* report: what a sidecar of Istio 1.0 to 1.7 tells Mixer: bags of attributes,
 * each a finished request or an event of a TCP connection. */
#ifndef WEIR_DECODE_MIXER_REPORT_H
#define WEIR_DECODE_MIXER_REPORT_H

#include "decode/draft.h"

/* Decodes an istio.mixer.v1.ReportRequest, the draft's body: one pass over each
 * bag; each becomes a request or a connection, or is counted as dropped
 * (WEIR_DROP_INVALID). A request whose headers tell a sampled span of its proxy
 * becomes one too, beside the items. *ret_reporter is the proxy that sent it
 * (weir_identity_proxy), as the first bag that says so has it; empty: unsaid;
 * it lives as long as the message. The draft's body becomes the default words.
 *
 * 0, WEIR_DECODE_MALFORMED or WEIR_DECODE_TOO_LARGE. Malformed is also a sender
 * that knows more words by heart than there are: draft->error is then the text
 * at which a proxy goes back to the words that every Mixer knows. */
int weir_report_decode(struct weir_draft *draft, struct weir_str *ret_reporter);

#endif

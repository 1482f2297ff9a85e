/* validate: `weir check`: are the configuration and its rules right, and what do
 * they make of a record? */
#ifndef WEIR_VALIDATE_H
#define WEIR_VALIDATE_H

#include "cli.h"

/* Says what it finds: notes and explanations on stdout, what is wrong on stderr. The exit status. */
int weir_validate(const struct weir_cli *cli);

#endif

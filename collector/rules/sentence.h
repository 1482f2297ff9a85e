/* sentence: what is said to a person of a text that others wrote. Private to rules. */
#ifndef WEIR_RULES_SENTENCE_H
#define WEIR_RULES_SENTENCE_H

/* Makes of it one line of valid UTF-8 without control characters, in place,
 * whatever is quoted in it and wherever it was cut. */
void weir_sentence_repair(char *sentence);

#endif

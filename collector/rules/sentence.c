/* sentence: a text of a rule may hold what moves a terminal's cursor, and an
 * error's room may end within a character. */
#include "rules/sentence.h"

#include "base/utf8.h"

void weir_sentence_repair(char *sentence)
{
	bool is_valid = weir_utf8_is_valid(weir_str_of(sentence));

	for (; *sentence != '\0'; sentence++) {
		if ((unsigned char)*sentence < 0x20 || *sentence == 0x7f) {
			*sentence = ' ';
		} else if (!is_valid && (unsigned char)*sentence >= 0x80) {
			*sentence = '?';
		}
	}
}

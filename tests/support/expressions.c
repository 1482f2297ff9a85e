/* expressions: a line `expression TAB attributes` in, a line with the outcome out (expression_case.h). */
#include <stdio.h>
#include <stdlib.h>

#include "support/expression_case.h"

int main(void)
{
	char *line = NULL;
	size_t size = 0;
	struct weir_buf outcome;

	weir_buf_init(&outcome, 1u << 20);
	while (getline(&line, &size, stdin) > 0) {
		char *told;

		line[strcspn(line, "\n")] = '\0';
		told = strchr(line, '\t');
		if (told == NULL) {
			fprintf(stderr, "no tab in: %s\n", line);
			return 2;
		}
		*told++ = '\0';
		weir_buf_clear(&outcome);
		if (!expression_case_run(line, told, &outcome) || weir_buf_error(&outcome) != 0) {
			fprintf(stderr, "bad attributes: %s\n", told);
			return 2;
		}
		printf("%.*s\n", (int)weir_buf_str(&outcome).length, weir_buf_str(&outcome).data);
	}
	free(line);
	weir_buf_fini(&outcome);
	return fflush(stdout) == 0 ? 0 : 1;
}

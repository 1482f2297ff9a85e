/* err: the error convention of the house, and the assertion that stays on.
 *
 * A function that can fail returns int. Below 0 is a fault (-errno): clean up
 * and return it unchanged. 0 is success. Above 0 is a named outcome of that
 * very function, listed in its contract, handled by its direct caller and
 * never passed on. What cannot happen is asserted, in every build; what an
 * outsider can cause is never asserted. */
#ifndef WEIR_BASE_ERR_H
#define WEIR_BASE_ERR_H

_Noreturn void weir_err_assert_failed(const char *what, const char *file, int line);

/* A macro because it must name its own place; the one exception to the rule. */
#define weir_assert(condition) ((condition) ? (void)0 : weir_err_assert_failed(#condition, __FILE__, __LINE__))

#endif

/* page: weir's own page at /, from files that are part of the binary. */
#ifndef WEIR_EXPORTERS_PAGE_H
#define WEIR_EXPORTERS_PAGE_H

#include "serve/route.h"

weir_http_fn weir_page_index; /* / */
weir_http_fn weir_page_file;  /* /page/<name> */

#endif

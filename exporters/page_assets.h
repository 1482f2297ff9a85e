/* page_assets: the files of dashboards/page, as embed.py there puts them into the binary. */
#ifndef WEIR_EXPORTERS_PAGE_ASSETS_H
#define WEIR_EXPORTERS_PAGE_ASSETS_H

#include <stddef.h>

struct weir_page_asset {
	const char *name, *content_type, *etag; /* "index.html"; the entity tag in its quotes */
	const unsigned char *data;
	size_t length;
};

extern const struct weir_page_asset weir_page_assets[];
extern const size_t weir_page_asset_count;

#endif

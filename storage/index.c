/* index: which segments have spans of a trace, in memory.
 *
 * Extendible hashing: a directory of 2^depth pages by the upper bits of the
 * hash; a page holds up to PAGE_ENTRIES (hash, segment) in no order and is split
 * in two by its next bit when it is full:
 *
 *   directory  [ 000 | 001 | 010 | 011 | 1xx | 1xx | 1xx | 1xx ]
 *                 │     │      \  /         \____ ____/
 *                page  page    page (depth 2)    page (depth 1)
 *
 * A find scans one page (a few cache lines of hashes, which the compiler turns
 * into wide compares). Why not one flat table: it would double at once, which
 * at millions of traces is a pause and three times the memory, and it would
 * need marks for what was removed. Here everything costs a page at a time.
 *
 * A trace that is in very many segments would split for ever: a page whose
 * entries are mostly of one hash gets a page behind it instead.
 *
 * Invariants: 1. every hash of a page agrees in the page's `depth` upper bits
 * with the directory's places that point to it. 2. a chained page belongs to
 * the page before it only. The caller's lock guards everything. */
#include "storage/index.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"

#define PAGE_ENTRIES 510u
#define FIRST_DEPTH 4u
#define MOST_DEPTH 20u

struct page {
	struct page *next; /* chained: the same place, of one frequent hash mostly */
	uint32_t count, depth;
	uint32_t hashes[PAGE_ENTRIES], segments[PAGE_ENTRIES];
};

struct weir_index {
	struct page **directory;
	uint32_t depth;
	uint64_t entries;
};

static struct page *page_make(uint32_t depth)
{
	struct page *page = malloc(sizeof(*page));

	if (page != NULL) {
		page->next = NULL;
		page->count = 0;
		page->depth = depth;
	}
	return page;
}

int weir_index_create(struct weir_index **ret_index)
{
	struct weir_index *index = calloc(1, sizeof(*index));

	*ret_index = NULL;
	if (index == NULL) {
		return -ENOMEM;
	}
	index->depth = FIRST_DEPTH;
	index->directory = calloc(1u << FIRST_DEPTH, sizeof(struct page *));
	for (uint32_t i = 0; index->directory != NULL && i < 1u << FIRST_DEPTH; i++) {
		index->directory[i] = page_make(FIRST_DEPTH);
		if (index->directory[i] == NULL) {
			weir_index_destroy(index);
			return -ENOMEM;
		}
	}
	if (index->directory == NULL) {
		free(index);
		return -ENOMEM;
	}
	*ret_index = index;
	return 0;
}

void weir_index_destroy(struct weir_index *index)
{
	struct page *last = NULL;

	if (index == NULL) {
		return;
	}
	for (uint32_t i = 0; i < 1u << index->depth; i++) {
		struct page *page = index->directory[i];

		/* Places of one page stand side by side. */
		if (page == last) {
			continue;
		}
		last = page;
		while (page != NULL) {
			struct page *next = page->next;

			free(page);
			page = next;
		}
	}
	free(index->directory);
	free(index);
}

static struct page **place_of(const struct weir_index *index, uint32_t hash)
{
	return &index->directory[hash >> (32 - index->depth)];
}

static int directory_double(struct weir_index *index)
{
	uint32_t count = 1u << index->depth;
	struct page **directory = malloc(2 * (size_t)count * sizeof(struct page *));

	if (directory == NULL) {
		return -ENOMEM;
	}
	for (uint32_t i = 0; i < count; i++) {
		directory[2 * i] = directory[2 * i + 1] = index->directory[i];
	}
	free(index->directory);
	index->directory = directory;
	index->depth++;
	return 0;
}

/* Is more than half of the page of the new hash, or at the end of the depths? */
static bool should_chain(const struct page *page, uint32_t hash)
{
	uint32_t equal = 0;

	for (uint32_t i = 0; i < page->count; i++) {
		equal += page->hashes[i] == page->hashes[0] || page->hashes[i] == hash;
	}
	return equal > PAGE_ENTRIES / 2 || page->depth == MOST_DEPTH || page->next != NULL;
}

static int page_split(struct weir_index *index, uint32_t hash)
{
	struct page *page = *place_of(index, hash), *upper;
	uint32_t kept = 0, first, span;

	if (page->depth == index->depth && directory_double(index) < 0) {
		return -ENOMEM;
	}
	upper = page_make(page->depth + 1);
	if (upper == NULL) {
		return -ENOMEM;
	}
	page->depth++;
	for (uint32_t i = 0; i < page->count; i++) {
		struct page *to = (page->hashes[i] >> (32 - page->depth) & 1) != 0 ? upper : page;
		uint32_t at = to == upper ? upper->count++ : kept++;

		to->hashes[at] = page->hashes[i];
		to->segments[at] = page->segments[i];
	}
	page->count = kept;
	span = 1u << (index->depth - page->depth);
	first = (hash >> (32 - page->depth) | 1u) << (index->depth - page->depth);
	for (uint32_t i = 0; i < span; i++) {
		weir_assert(index->directory[first + i] == page);
		index->directory[first + i] = upper;
	}
	return 0;
}

static int entry_add(struct weir_index *index, uint32_t hash, uint32_t segment)
{
	for (;;) {
		struct page *page = *place_of(index, hash), *chained;

		for (chained = page; chained != NULL && chained->count == PAGE_ENTRIES; chained = chained->next) {
		}
		if (chained != NULL) {
			chained->hashes[chained->count] = hash;
			chained->segments[chained->count++] = segment;
			index->entries++;
			return 0;
		}
		if (!should_chain(page, hash)) {
			if (page_split(index, hash) < 0) {
				return -ENOMEM;
			}
			continue;
		}
		chained = page_make(page->depth);
		if (chained == NULL) {
			return -ENOMEM;
		}
		chained->next = page->next;
		page->next = chained;
	}
}

int weir_index_add(struct weir_index *index, const uint32_t *hashes, uint32_t count, uint32_t segment)
{
	for (uint32_t i = 0; i < count; i++) {
		if (entry_add(index, hashes[i], segment) < 0) {
			return -ENOMEM;
		}
	}
	return 0;
}

static void entry_remove(struct weir_index *index, uint32_t hash, uint32_t segment)
{
	struct page *first = *place_of(index, hash), **link = &first->next;

	for (struct page *page = first; page != NULL; page = page->next) {
		for (uint32_t i = 0; i < page->count; i++) {
			if (page->hashes[i] == hash && page->segments[i] == segment) {
				page->count--;
				page->hashes[i] = page->hashes[page->count];
				page->segments[i] = page->segments[page->count];
				index->entries--;
				if (page != first && page->count == 0) {
					while (*link != page) {
						link = &(*link)->next;
					}
					*link = page->next;
					free(page);
				}
				return;
			}
		}
	}
}

void weir_index_remove(struct weir_index *index, const uint32_t *hashes, uint32_t count, uint32_t segment)
{
	for (uint32_t i = 0; i < count; i++) {
		entry_remove(index, hashes[i], segment);
	}
}

void weir_index_find(const struct weir_index *index, uint32_t hash, struct weir_buf *ret_segments)
{
	for (const struct page *page = *place_of(index, hash); page != NULL; page = page->next) {
		for (uint32_t i = 0; i < page->count; i++) {
			if (page->hashes[i] == hash) {
				weir_buf_add(ret_segments, &page->segments[i], sizeof(page->segments[i]));
			}
		}
	}
}

bool weir_index_has(const struct weir_index *index, uint32_t hash)
{
	for (const struct page *page = *place_of(index, hash); page != NULL; page = page->next) {
		for (uint32_t i = 0; i < page->count; i++) {
			if (page->hashes[i] == hash) {
				return true;
			}
		}
	}
	return false;
}

uint64_t weir_index_entries(const struct weir_index *index)
{
	return index->entries;
}

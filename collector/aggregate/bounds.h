/* bounds: how much each of the fold's tables holds, and what all of them take
 * together when all are full. Private to the room.
 *
 * Whatever comes in, a table stops here: what is beyond counts in an overflow
 * row (series, edges, families, sources, proxies, services), or the oldest goes
 * early (pairs, flows, digests, requests). With S = metrics.max_series, beside
 * which metrics of spans have a quarter and passed-through ones half as many:
 *
 *   table                   entries          bytes each           MiB at S = 50,000
 *   names of edge ends      32,768           40 + text (2 MiB)     3.3
 *   series: label texts     S at most        48 + text (320 S)    17.5
 *   series: sets and cells  S at most        52 + 256 (S)         14.7
 *   series of spans         S / 4            as of both            8.1
 *   overflow series         1,024            2 x 1 MiB of cells    3.0
 *   edges                   8,192            100 + 3 x 1,120      27.1
 *   pairs                   65,536           68                    4.3
 *   flows                   65,536           68                    4.3
 *   digests                 131,072          56                    7.0
 *   ledger                  16,384 rows      128 + text            2.6
 *   proxies                 8,192            500 + text            4.7
 *   requests known          131,072          64                    8.0
 *   families                16,384           148 + texts (2 MiB)   4.3
 *   points: label texts     S / 2            44 + text (128 S)     7.2
 *   points: series, cells   S / 2            68 + 256              7.7
 *   points: exemplars       S / 2 + 16,384   48                    1.9
 *   points: overflow series 16,384           112 + 2 MiB           3.8
 *   points: streams         S                108 + 128           11.3
 *   bounds of histograms    1,024            2,064                 2.0
 *   services of logs        1,024            160                   0.2
 *   memo (a cache)          65,536           32                    2.0
 *   its places, readings    131,072 32,768   12, 16                2.0
 *
 * A set has the cells of all metrics of its group, and room for two examples: with
 * the standard rules 95 words for 4 series. Where rules have wider ones, words run
 * out before series do.
 *
 * Arrays grow by doubling, so what is reserved may be more; what is touched is
 * not. Copies (a scrape's snapshot, an image on its way to the store) are of the
 * cells and the texts, and there is one of each at a time.
 *
 * Invariant: WEIR_BOUNDS_BYTES holds for every input (tests/integration/test_memory.py). */
#ifndef WEIR_AGGREGATE_BOUNDS_H
#define WEIR_AGGREGATE_BOUNDS_H

#define WEIR_BOUNDS_NAMES 32768u
#define WEIR_BOUNDS_NAME_BYTES (2u << 20)
#define WEIR_BOUNDS_SERIES_TEXT 320u /* bytes of label text a series, on average: a set of four may have 1,280 */
#define WEIR_BOUNDS_SERIES_WORDS 32u /* of cells and examples a series, on average; the standard ones take 24 */
#define WEIR_BOUNDS_SERIES_OVERFLOW_WORDS (64u << 10) /* of cells of overflow series, before they keep less */
#define WEIR_BOUNDS_EDGES 8192u
#define WEIR_BOUNDS_PAIRS 65536u
#define WEIR_BOUNDS_FLOWS 65536u
#define WEIR_BOUNDS_DIGESTS 131072u
#define WEIR_BOUNDS_SOURCES 4096u
#define WEIR_BOUNDS_LEDGER_ROWS 16384u
#define WEIR_BOUNDS_PROXIES 8192u
#define WEIR_BOUNDS_REQUESTS 131072u
#define WEIR_BOUNDS_FAMILIES 16384u
#define WEIR_BOUNDS_FAMILY_BYTES (1u << 20)     /* of names, and of help texts */
#define WEIR_BOUNDS_POINT_TEXT 256u             /* bytes of label text a series of points, on average */
#define WEIR_BOUNDS_POINT_WORDS 32u             /* of cells a series of points, on average; of streams as many */
#define WEIR_BOUNDS_OVERFLOW_WORDS (256u << 10) /* of cells of all overflow series of points */
#define WEIR_BOUNDS_HISTOGRAMS 1024u            /* different bounds */
#define WEIR_BOUNDS_SERVICES 1024u              /* of logs */
#define WEIR_BOUNDS_MEMO 65536u
#define WEIR_BOUNDS_MEMO_HITS 131072u    /* of its entries, half of which are in use */
#define WEIR_BOUNDS_MEMO_READINGS 32768u /* of these hits, which share them */

/* All of the above, in bytes; the rest of a table's row is its text, its bucket and its place among the dirty. */
#define WEIR_BOUNDS_BYTES(max_series)                                                                                  \
	(WEIR_BOUNDS_NAMES * 40u + WEIR_BOUNDS_NAME_BYTES +                                                            \
		(max_series) / 4u * 5u * (100u + WEIR_BOUNDS_SERIES_TEXT + WEIR_BOUNDS_SERIES_WORDS * 8u) +            \
		2u * 2u * WEIR_BOUNDS_SERIES_OVERFLOW_WORDS * 8u + (1u << 20) + WEIR_BOUNDS_EDGES * 3460u +            \
		WEIR_BOUNDS_PAIRS * 68u + WEIR_BOUNDS_FLOWS * 68u + WEIR_BOUNDS_DIGESTS * 56u +                        \
		WEIR_BOUNDS_LEDGER_ROWS * 128u + WEIR_BOUNDS_SOURCES * 168u + WEIR_BOUNDS_PROXIES * 600u +             \
		WEIR_BOUNDS_REQUESTS * 64u + WEIR_BOUNDS_FAMILIES * 308u + 2u * WEIR_BOUNDS_FAMILY_BYTES +             \
		(max_series) / 2u * (160u + WEIR_BOUNDS_POINT_TEXT + 256u) + WEIR_BOUNDS_OVERFLOW_WORDS * 8u +         \
		(max_series) * (108u + 128u) + WEIR_BOUNDS_HISTOGRAMS * 2064u + WEIR_BOUNDS_SERVICES * 160u +          \
		WEIR_BOUNDS_MEMO * 32u + WEIR_BOUNDS_MEMO_HITS * 12u + WEIR_BOUNDS_MEMO_READINGS * 16u)

_Static_assert(WEIR_BOUNDS_BYTES(50000u) < 148u << 20, "all tables, full, leave room for what is not a table");

#endif

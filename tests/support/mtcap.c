/* mtcap: the whole file in memory, record by record; see the header. */
#include "tests/support/mtcap.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/json_read.h"

struct weir_mtcap {
	char *data;
	size_t length, at;
};

int weir_mtcap_open(const char *path, struct weir_mtcap **ret_mtcap)
{
	struct weir_mtcap *mtcap = calloc(1, sizeof(*mtcap));
	FILE *file = fopen(path, "rb");
	long length = -1;
	int r = -EIO;

	if (mtcap == NULL || file == NULL) {
		r = mtcap == NULL ? -ENOMEM : -errno;
		goto out;
	}
	if (fseek(file, 0, SEEK_END) == 0 && (length = ftell(file)) >= 0 && fseek(file, 0, SEEK_SET) == 0) {
		mtcap->data = malloc((size_t)length + 1);
		mtcap->length = (size_t)length;
		r = mtcap->data != NULL && fread(mtcap->data, 1, mtcap->length, file) == mtcap->length ? 0 : -EIO;
	}
out:
	if (file != NULL) {
		fclose(file);
	}
	if (r < 0) {
		weir_mtcap_close(mtcap);
		return r;
	}
	*ret_mtcap = mtcap;
	return 0;
}

void weir_mtcap_close(struct weir_mtcap *mtcap)
{
	if (mtcap != NULL) {
		free(mtcap->data);
		free(mtcap);
	}
}

void weir_mtcap_rewind(struct weir_mtcap *mtcap)
{
	mtcap->at = 0;
}

static int read_meta(struct weir_json *json, struct weir_mtcap_record *record)
{
	struct weir_json_value value;
	struct weir_str key;
	bool is_first = true, has_escapes;
	int r = weir_json_value(json, &value);

	while (r == 0 && (r = weir_json_member(json, &is_first, &key, &has_escapes)) == 0) {
		r = weir_json_value(json, &value);
		if (weir_str_is(key, "content-type")) {
			record->content_type = value.text;
		} else if (weir_str_is(key, "content-encoding")) {
			record->encoding = value.text;
		}
	}
	return r == WEIR_JSON_END ? 0 : -EBADMSG;
}

static void take_number(struct weir_str key, int64_t number, struct weir_mtcap_record *record, size_t *ret_length)
{
	if (weir_str_is(key, "t")) {
		record->t_ns = number;
	} else if (weir_str_is(key, "start")) {
		record->start_ns = number;
	} else if (weir_str_is(key, "conn")) {
		record->conn = (uint32_t)number;
	} else if (weir_str_is(key, "stream")) {
		record->stream = (uint32_t)number;
	} else if (weir_str_is(key, "seq")) {
		record->seq = (uint32_t)number;
	} else if (weir_str_is(key, "len")) {
		*ret_length = (size_t)number;
	}
}

static int read_line(struct weir_str line, struct weir_mtcap_record *record, size_t *ret_length)
{
	struct weir_json json;
	struct weir_json_value value;
	struct weir_str key;
	bool is_first = true, has_escapes;
	int64_t number;
	int r;

	weir_json_init(&json, line);
	r = weir_json_value(&json, &value);
	while (r == 0 && (r = weir_json_member(&json, &is_first, &key, &has_escapes)) == 0) {
		if (weir_str_is(key, "meta")) {
			r = read_meta(&json, record);
			continue;
		}
		r = weir_json_value(&json, &value);
		if (r == 0 && value.kind == WEIR_JSON_NUMBER && weir_json_to_i64(value.text, &number) == 0) {
			take_number(key, number, record, ret_length);
		} else if (weir_str_is(key, "kind")) {
			record->kind = value.text;
		} else if (weir_str_is(key, "method")) {
			record->method = value.text;
		} else if (weir_str_is(key, "enc")) {
			record->encoding = value.text;
		}
	}
	return r == WEIR_JSON_END ? 0 : -EBADMSG;
}

int weir_mtcap_next(struct weir_mtcap *mtcap, struct weir_mtcap_record *ret_record)
{
	struct weir_mtcap_record record = { 0 };
	const char *line = mtcap->data + mtcap->at;
	const char *end;
	size_t length = 0, left = mtcap->length - mtcap->at;
	int r;

	if (left == 0) {
		return WEIR_MTCAP_END;
	}
	end = memchr(line, '\n', left);
	if (end == NULL) {
		return -EBADMSG;
	}
	r = read_line(weir_str_make(line, (size_t)(end - line)), &record, &length);
	left -= (size_t)(end - line) + 1;
	if (r < 0 || length >= left || end[1 + length] != '\n') {
		return -EBADMSG;
	}
	record.payload = weir_str_make(end + 1, length);
	mtcap->at = (size_t)(end + 1 + length + 1 - mtcap->data);
	*ret_record = record;
	return 0;
}

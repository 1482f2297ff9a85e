/* attribute_set: values of attributes made. Private to rules; inline, since each record goes through it. */
#ifndef WEIR_RULES_ATTRIBUTE_SET_H
#define WEIR_RULES_ATTRIBUTE_SET_H

#include "rules/attribute.h"
#include "rules/attribute_record.h"

/* All: 0 and the value, or ABSENT. */

static inline int weir_attribute_set_text(struct weir_str text, struct weir_value *ret)
{
	ret->type = WEIR_TYPE_STRING;
	ret->text = text;
	return text.length > 0 ? 0 : WEIR_VALUE_ABSENT;
}

static inline int weir_attribute_set_ref(
	const struct weir_rules_record *record, struct weir_ref ref, struct weir_value *ret)
{
	return weir_attribute_set_text(weir_batch_str(record->batch, ref), ret);
}

static inline int weir_attribute_set_number(enum weir_type type, uint64_t number, struct weir_value *ret)
{
	ret->type = type;
	ret->number = number <= INT64_MAX ? (int64_t)number : INT64_MAX;
	return 0;
}

/* A point in time; 0 is none. */
static inline int weir_attribute_set_time(uint64_t ns, struct weir_value *ret)
{
	return ns > 0 ? weir_attribute_set_number(WEIR_TYPE_TIMESTAMP, ns, ret) : WEIR_VALUE_ABSENT;
}

static inline int weir_attribute_set_name(
	const char *const names[], unsigned count, unsigned number, struct weir_value *ret)
{
	return number < count ? weir_attribute_set_text(weir_str_of(names[number]), ret) : WEIR_VALUE_ABSENT;
}

/* What the sender told under the attribute's own name. */
static inline int weir_attribute_told(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret)
{
	return weir_attribute_record_get(
		record, weir_str_of(weir_attribute_name(attribute)), weir_attribute_type(attribute), scratch, ret);
}

/* request.method to response.messages: of the record's request. */
int weir_attribute_request_get(const struct weir_rules_record *record, enum weir_attribute attribute,
	struct weir_scratch *scratch, struct weir_value *ret);

#endif

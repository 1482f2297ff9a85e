/* attribute_record: the attributes that a record has no field for. Private to rules. */
#ifndef WEIR_RULES_ATTRIBUTE_RECORD_H
#define WEIR_RULES_ATTRIBUTE_RECORD_H

#include "rules/attribute.h"

/* The attribute that the sender told under this very name, as a value of `type`.
 * 0, or ABSENT: it is not there, is empty, or is nothing of that type. */
int weir_attribute_record_get(const struct weir_rules_record *record, struct weir_str name, enum weir_type type,
	struct weir_scratch *scratch, struct weir_value *ret);

/* An entry of a STRING_MAP attribute of a record that is not told. 0 or ABSENT. */
int weir_attribute_record_entry(
	const struct weir_rules_record *record, enum weir_attribute map, struct weir_str key, struct weir_str *ret);

/* The row of an end; NULL: nobody known. */
const struct weir_workload *weir_attribute_record_workload(const struct weir_rules_record *record, bool is_source);

/* GET, POST, …; empty: not known. */
struct weir_str weir_attribute_record_method(const struct weir_request *request);

#endif

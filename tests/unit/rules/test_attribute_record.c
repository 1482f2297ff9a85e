/* test_attribute_record: what no field holds is among the attributes that came with the record, or with its log. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "attribute_scene.h"

static struct weir_attr *attr_add(struct attribute_scene *scene, const char *key, enum weir_attr_type type)
{
	struct weir_attr *attr = batch_maker_attr(&scene->maker);

	attr->key = attribute_scene_text(scene, key);
	attr->type = type;
	return attr;
}

static void attrs_take(struct attribute_scene *scene, uint32_t *first, uint32_t *count)
{
	*first = scene->maker.attrs.count;
	batch_maker_tag(&scene->maker, "request.headers.x", "hx");
	batch_maker_tag(&scene->maker, "response.headers.x", "rx");
	batch_maker_tag(&scene->maker, "http.request.header.y", "[\"hy\"]");
	batch_maker_tag(&scene->maker, "http.response.header.y", "[\"a\",\"b\"]");
	batch_maker_tag(&scene->maker, "request.auth.claims.sub", "me");
	batch_maker_tag(&scene->maker, "request.query_params.q", "1");
	batch_maker_tag(&scene->maker, "request.headers.referer", "http://r/");
	batch_maker_tag(&scene->maker, "request.url_path", "/raw");
	batch_maker_tag(&scene->maker, "api.service", "svc");
	batch_maker_tag(&scene->maker, "api.version", "");
	batch_maker_tag(&scene->maker, "origin.ip", "fd00::7");
	batch_maker_tag(&scene->maker, "check.error_code", "12");
	batch_maker_tag(&scene->maker, "context.reporter.local", "true");
	batch_maker_tag(&scene->maker, "context.proxy_version", "1.4.10");
	batch_maker_tag(&scene->maker, "connection.id", "c1");
	batch_maker_tag(&scene->maker, "connection.event", "open");
	attr_add(scene, "request.size", WEIR_ATTR_INT)->value.number = 5;
	attr_add(scene, "check.cache_hit", WEIR_ATTR_BOOL)->value.number = 1;
	attr_add(scene, "rbac.permissive.response_code", WEIR_ATTR_INT)->value.number = 403;
	attr_add(scene, "check.error_message", WEIR_ATTR_DOUBLE)->value.real = 1.5;
	*count = scene->maker.attrs.count - *first;
}

static void assert_attrs_are_found(struct attribute_scene *scene)
{
	attribute_scene_are(scene, (const struct attribute_row[]){
					   { "request.headers[x]", "hx" },
					   { "response.headers[x]", "rx" },
					   { "request.headers[y]", "hy" },
					   { "response.headers[y]", "[\"a\",\"b\"]" },
					   { "request.headers[z]", NULL },
					   { "request.headers[]", NULL },
					   { "request.auth.claims[sub]", "me" },
					   { "request.query_params[q]", "1" },
					   { "request.referer", "http://r/" },
					   { "request.scheme", NULL },
					   { "request.url_path", "/raw" },
					   { "api.service", "svc" },
					   { "api.version", NULL },
					   { "api.protocol", NULL },
					   { "origin.ip", "fd00::7" },
					   { "check.error_code", "12" },
					   { "context.reporter.local", "true" },
					   { "context.proxy_version", "1.4.10" },
					   { "connection.id", "c1" },
					   { "connection.event", NULL }, /* the memo's key has it of connections only */
					   { "request.size", "5" },
					   { "request.total_size", "17" },
					   { "check.cache_hit", "true" },
					   { "quota.cache_hit", NULL },
					   { "rbac.permissive.response_code", "403" },
					   { "check.error_message", "1.5" },
					   { NULL, NULL },
				   });
}

static void what_has_no_field_is_among_the_attributes(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_MIXER);
	request = batch_maker_request(&scene.maker);
	request->request_bytes = 17;
	attrs_take(&scene, &request->attr_first, &request->attr_count);
	attribute_scene_finish(&scene, true, 0);
	assert_attrs_are_found(&scene);
	batch_maker_fini(&scene.maker);
}

/* Of every pattern of access logs and others among 12 logs, each request finds its own. */
static void requests_of_logs_have_the_logs_attributes(void **state)
{
	struct attribute_scene scene;

	(void)state;
	for (unsigned pattern = 1; pattern < 1u << 12; pattern += 7) {
		uint32_t count = 0;

		attribute_scene_begin(&scene, WEIR_SIGNAL_LOG);
		for (unsigned i = 0; i < 12; i++) {
			struct weir_log *log = batch_maker_log(&scene.maker);
			char name[16];

			log->attr_first = i;
			log->attr_count = 1;
			(void)snprintf(name, sizeof(name), "log-%u", i);
			batch_maker_tag(&scene.maker, "request.headers.x", name);
			if ((pattern >> i & 1) != 0) {
				log->request = count++;
				(void)batch_maker_request(&scene.maker);
			}
		}
		for (uint32_t row = 0, i = 0; row < count; row++, i++) {
			char name[16];

			while ((pattern >> i & 1) == 0) {
				i++;
			}
			(void)snprintf(name, sizeof(name), "log-%u", i);
			if (row == 0) {
				attribute_scene_finish(&scene, true, 0);
			}
			scene.record.request = weir_batch_requests(scene.record.batch) + row;
			attribute_scene_is(&scene, "request.headers[x]", name);
		}
		batch_maker_fini(&scene.maker);
	}
}

static void access_logs_have_all_of_a_logs_attributes(void **state)
{
	struct attribute_scene scene;
	struct weir_request *request;
	struct weir_log *log;

	(void)state;
	attribute_scene_begin(&scene, WEIR_SIGNAL_LOG);
	(void)batch_maker_log(&scene.maker);
	log = batch_maker_log(&scene.maker);
	log->request = 0;
	attrs_take(&scene, &log->attr_first, &log->attr_count);
	request = batch_maker_request(&scene.maker);
	request->request_bytes = 17;
	attribute_scene_finish(&scene, true, 0);
	assert_attrs_are_found(&scene);
	batch_maker_fini(&scene.maker);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(what_has_no_field_is_among_the_attributes),
		cmocka_unit_test(requests_of_logs_have_the_logs_attributes),
		cmocka_unit_test(access_logs_have_all_of_a_logs_attributes),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}

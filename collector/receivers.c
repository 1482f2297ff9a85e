/* receivers: every way in.
 *
 * A receiver belongs to one listener's thread, so what both listeners serve
 * is made twice. Health and reflection come last: they speak of all services. */
#include "receivers.h"

#include <string.h>

#include "base/err.h"

/* "/package.Service/Method" → "package.Service", once. */
static void services_name(struct weir_receivers *receivers)
{
	size_t used = 0;

	for (size_t i = 0; i < receivers->method_count; i++) {
		const char *path = receivers->methods[i].path + 1;
		size_t length = strcspn(path, "/");
		bool is_known = false;

		for (size_t k = 0; k < receivers->service_count && !is_known; k++) {
			is_known = strlen(receivers->services[k]) == length &&
				   memcmp(receivers->services[k], path, length) == 0;
		}
		if (!is_known) {
			weir_assert(receivers->service_count < WEIR_RECEIVERS_SERVICES &&
				    used + length + 1 <= sizeof(receivers->names));
			receivers->services[receivers->service_count++] = memcpy(receivers->names + used, path, length);
			used += length + 1;
		}
	}
}

static struct weir_grpc_method *methods_take(struct weir_receivers *receivers, size_t count)
{
	struct weir_grpc_method *methods = &receivers->methods[receivers->method_count];

	receivers->method_count += count;
	weir_assert(receivers->method_count <= WEIR_RECEIVERS_METHODS);
	return methods;
}

static struct weir_http_route *routes_take(struct weir_receivers *receivers, size_t count)
{
	struct weir_http_route *routes = &receivers->routes[receivers->route_count];

	receivers->route_count += count;
	weir_assert(receivers->route_count <= WEIR_RECEIVERS_ROUTES);
	return routes;
}

/* Health and reflection name themselves too. */
static int about_all(struct weir_receivers *receivers)
{
	struct weir_grpc_method *health = methods_take(receivers, WEIR_HEALTH_METHODS);
	struct weir_grpc_method *reflection = methods_take(receivers, WEIR_REFLECTION_METHODS);
	int r;

	weir_health_grpc(NULL, health); /* paths alone, for the names */
	weir_reflection_grpc(NULL, reflection);
	services_name(receivers);
	r = weir_health_create(receivers->services, receivers->service_count, &receivers->health);
	r = r < 0 ? r : weir_reflection_create(receivers->services, receivers->service_count, &receivers->reflection);
	if (r == 0) {
		weir_health_grpc(receivers->health, health);
		weir_reflection_grpc(receivers->reflection, reflection);
	}
	return r;
}

int weir_receivers_init(struct weir_receivers *receivers, const struct weir_receive_opts *opts)
{
	int r = weir_otlp_create(opts, &receivers->otlp_grpc);

	r = r < 0 ? r : weir_otlp_create(opts, &receivers->otlp_http);
	r = r < 0 ? r : weir_zipkin_create(opts, &receivers->zipkin_grpc);
	r = r < 0 ? r : weir_zipkin_create(opts, &receivers->zipkin_http);
	r = r < 0 ? r : weir_als_create(opts, &receivers->als);
	r = r < 0 ? r : weir_envoy_metrics_create(opts, &receivers->envoy_metrics);
	r = r < 0 ? r : weir_mixer_create(opts, &receivers->mixer);
	if (r < 0) {
		return r;
	}
	weir_otlp_grpc(receivers->otlp_grpc, methods_take(receivers, WEIR_OTLP_METHODS));
	weir_zipkin_grpc(receivers->zipkin_grpc, methods_take(receivers, WEIR_ZIPKIN_METHODS));
	weir_als_grpc(receivers->als, methods_take(receivers, WEIR_ALS_METHODS));
	weir_envoy_metrics_grpc(receivers->envoy_metrics, methods_take(receivers, WEIR_ENVOY_METRICS_METHODS));
	weir_mixer_grpc(receivers->mixer, methods_take(receivers, WEIR_MIXER_METHODS));
	weir_otlp_http(receivers->otlp_http, routes_take(receivers, WEIR_OTLP_ROUTES));
	weir_zipkin_http(receivers->zipkin_http, routes_take(receivers, WEIR_ZIPKIN_ROUTES));
	return about_all(receivers);
}

void weir_receivers_fini(struct weir_receivers *receivers)
{
	weir_reflection_destroy(receivers->reflection);
	weir_health_destroy(receivers->health);
	weir_mixer_destroy(receivers->mixer);
	weir_envoy_metrics_destroy(receivers->envoy_metrics);
	weir_als_destroy(receivers->als);
	weir_zipkin_destroy(receivers->zipkin_http);
	weir_zipkin_destroy(receivers->zipkin_grpc);
	weir_otlp_destroy(receivers->otlp_http);
	weir_otlp_destroy(receivers->otlp_grpc);
}

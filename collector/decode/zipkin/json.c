#include "decode/zipkin/json.h"

#include "decode/envoy/als.h"

#include "decode/otlp/trace.h"

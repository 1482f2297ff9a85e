#include "serve/ack.h"

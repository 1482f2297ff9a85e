#include "decode/wire.h"

#include "ring/record.h"

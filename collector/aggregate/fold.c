#include "aggregate/fold.h"

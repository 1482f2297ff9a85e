#include "aggregate/run.h"

#include "aggregate/window.h"

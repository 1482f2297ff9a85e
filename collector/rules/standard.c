#include "rules/standard.h"

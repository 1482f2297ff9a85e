#include "exporters/exporters.h"

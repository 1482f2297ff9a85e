#include "identity/source.h"

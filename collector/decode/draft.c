#include "decode/draft.h"

#include "serve/http.h"

#include "serve/grpc.h"

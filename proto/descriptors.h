/* descriptors: the compiled descriptors of all files below proto/, as one serialized
 * google.protobuf.FileDescriptorSet, in the order of their dependencies. The
 * build makes the bytes (descriptors.py); reflection hands them out. */
#ifndef WEIR_DESCRIPTORS_H
#define WEIR_DESCRIPTORS_H

#include <stddef.h>

extern const unsigned char weir_descriptors[];
extern const size_t weir_descriptors_bytes;

#endif

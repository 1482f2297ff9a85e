/* faulty: what makes the product's own sources into `weir-faulty`, the binary
 * of the crash and fault tests. The product itself reads none of these.
 *
 *   WEIR_CRASH=POINT:N               SIGKILL at the n-th visit of a point (crash_points.c)
 *   WEIR_FAULT_FILE=PATH             the disk does what stands in that file (vfs_shim.h)
 *   WEIR_TEST_POSITION_OUTSIDE=1     breaks the one transaction in two: the tests must notice */
#include <stdlib.h>

#include "storage/writer.h"
#include "vfs_shim.h"

__attribute__((constructor)) static void set_faults(void)
{
	const char *control = getenv("WEIR_FAULT_FILE");

	if (control != NULL) {
		vfs_shim_follow(control);
	}
	weir_writer_position_outside = getenv("WEIR_TEST_POSITION_OUTSIDE") != NULL;
}

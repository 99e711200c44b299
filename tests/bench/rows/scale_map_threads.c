/* map, protect and unmap by the threads of one process. */
#include "scale_map_common.h"

int main(int argc, char **argv)
{
	return scale_main("map_threads", "round", 4000, run_threads, argc, argv);
}

/* map, protect and unmap by processes. */
#include "scale_map_common.h"

int main(int argc, char **argv)
{
	return scale_main("map_processes", "round", 4000, run_processes, argc, argv);
}

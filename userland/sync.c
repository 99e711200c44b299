/* sync: what was written reaches the disks. */
#include <unistd.h>

int main(void)
{
	sync();
	return 0;
}

/* Not a row: what exec runs. */
int main(void)
{
	return 7;
}

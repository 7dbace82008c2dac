// A program of its own, which the build runs first: prints the instruction sets of this machine, best first.
#include "cpu.h"

#include <stdio.h>

int main() { minke::for_cpu_isas(puts); }

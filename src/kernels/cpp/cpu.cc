// A program of its own, which the build runs first: prints a description of the CPU, the rates of its forms of bf16
// products, and its instruction sets, best first. Rates that were measured before come as three arguments.
#include <stdlib.h>

#include "cpu-rates.h"

int main(int count, char** words) {
  char cpu[160];
  minke::describe_cpu(cpu, sizeof cpu);
  minke::Bf16Rates rates;
  if (count == 4)
    rates = {atof(words[1]), atof(words[2]), atof(words[3])};
  else
    rates = minke::measure_bf16();
  printf("%s\n%.1f %.1f %.1f\n", cpu, rates.tiles, rates.pairs, rates.steps);
  minke::for_cpu_isas(rates, puts);
}

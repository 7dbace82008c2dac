// What the Node-API binding tells of the machine and of this build, without a device; values for JavaScript.
#pragma once
#include <node_api.h>

#include "agreed-sizes.h"
#include "cpu-rates.h"
#include "kernel.h"

namespace minke {

namespace {

napi_value fail(napi_env env, const char* message) {
  napi_throw_error(env, nullptr, message);
  return nullptr;
}

napi_value number(napi_env env, double x) {
  napi_value value;
  napi_create_double(env, x, &value);
  return value;
}

napi_value text(napi_env env, const char* s) {
  napi_value value;
  napi_create_string_utf8(env, s, NAPI_AUTO_LENGTH, &value);
  return value;
}

// A JavaScript array that grows.
struct List {
  napi_env env;
  napi_value array;
  uint32_t length = 0;
  explicit List(napi_env env) : env(env) { napi_create_array(env, &array); }
  void add(const char* s) { napi_set_element(env, array, length++, text(env, s)); }
  void add(double x) { napi_set_element(env, array, length++, number(env, x)); }
};

// isa() -> [name, lanes, panel width, panel order, arithmetic] of this build
napi_value isa(napi_env env, napi_callback_info) {
  List entry(env);
  entry.add(kIsa.name);
  entry.add(kIsa.lanes);
  entry.add(kIsa.panel_width);
  entry.add(kIsa.panel_order);
  entry.add(kIsa.arithmetic);
  return entry.array;
}

// describeCpu() -> [what decides the choice of an instruction set, why AMX is left unused or nothing]
napi_value cpu_description(napi_env env, napi_callback_info) {
  char cpu[160];
  describe_cpu(cpu, sizeof cpu);
  List parts(env);
  parts.add(cpu);
  if (const char* problem = tile_problem()) parts.add(problem);
  return parts.array;
}

// measureBf16() -> GFLOP/s of bf16 products as [tiles, pairs, steps]; 0 for a form that this machine lacks
napi_value bf16_rates(napi_env env, napi_callback_info) {
  Bf16Rates rates = measure_bf16();
  List list(env);
  list.add(rates.tiles);
  list.add(rates.pairs);
  list.add(rates.steps);
  return list.array;
}

// cpuIsas(tiles, pairs, steps) -> names of the instruction sets that this machine runs, best first by these rates,
// whether they were built or not
napi_value cpu_isas(napi_env env, napi_callback_info info) {
  size_t count = 3;
  napi_value values[3] = {};
  napi_get_cb_info(env, info, &count, values, nullptr, nullptr);
  double rates[3] = {};
  for (int i = 0; i < 3; i++) napi_get_value_double(env, values[i], &rates[i]);
  List names(env);
  for_cpu_isas({rates[0], rates[1], rates[2]}, [&](const char* name) { names.add(name); });
  return names.array;
}

// sizes() -> [name, value, name, value, ...] of sizes.h
napi_value sizes(napi_env env, napi_callback_info) {
  List list(env);
  for (int i = 0; i < kAgreedCount; i++) {
    list.add(agreed_size(i).name);
    list.add(double(agreed_size(i).value));
  }
  return list.array;
}

napi_value compiler(napi_env env, napi_callback_info) {
#if defined(__clang__)
  return text(env, "clang " __clang_version__);
#else
  return text(env, "g++ " __VERSION__);
#endif
}

}  // namespace

}  // namespace minke

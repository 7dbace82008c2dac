// Memory of kind `any`, read and written in the format that a `*_type` word names.
import { type DType, dtypeCode, fromBf16, fromE4m3, toBf16, toE4m3, viewAs } from '../dtype.ts';

export interface Numbers {
  get(i: number): number;
  /** Rounds to the format. */
  set(i: number, x: number): void;
}

export function numbersIn(bytes: Uint8Array, type: number): Numbers {
  const dtype = (Object.keys(dtypeCode) as DType[]).find((name) => dtypeCode[name] === type) as DType;
  const data = viewAs(dtype, bytes);
  const decode = dtype === 'bf16' ? fromBf16 : dtype === 'e4m3' ? fromE4m3 : (x: number) => x;
  const encode = dtype === 'bf16' ? toBf16 : dtype === 'e4m3' ? toE4m3 : (x: number) => x;
  return {
    get: (i) => decode(data[i]),
    set: (i, x) => {
      data[i] = encode(x);
    },
  };
}

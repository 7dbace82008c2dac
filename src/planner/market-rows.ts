// The tables of hardware and prices, as dated rows with sources. `minke plan` reads a file of the same form beside them
// (--market FILE): a row of that file replaces the row of the same key. What no source says is null: unknown.
//
// Rates are dense, without sparsity. Sources: vendors' datasheets; DeepSeek-V3 report; Insights into DeepSeek-V3 (ISCA
// 2025); price ledgers datareceipts/data-receipts, tgarg01/silybench-data, renshuBTC/compute-screener (2026); api-docs.
import type { Market } from './market.ts';

type HardwareRow = Market['hardware'][number];

const T = 1e12;
const G = 1e9;
const sheet = "the vendor's datasheet, dense";
const rent109 = 'datareceipts/data-receipts 109-gpu-pricing';
const screener = 'renshuBTC/compute-screener';
const sily = 'tgarg01/silybench-data';

type Sizes = readonly [bf16: number, fp8: number | null, gigabytes: number, terabytesPerSecond: number];

function gpu(
  name: string,
  [bf16, fp8, gigabytes, terabytes]: Sizes,
  rest: Partial<HardwareRow> & Pick<HardwareRow, 'date'>,
): HardwareRow {
  return {
    name,
    kind: 'gpu',
    flops: { bf16: bf16 * T, fp8: fp8 === null ? null : fp8 * T },
    memoryBytes: gigabytes * 2 ** 30, // what vendors call GB of memory is GiB
    bandwidth: terabytes * T,
    linkBandwidth: null,
    networkBandwidth: null,
    devicesPerNode: 8,
    watts: null,
    price: null,
    measured: null,
    source: sheet,
    ...rest,
  };
}

const hopper = { linkBandwidth: 450 * G, networkBandwidth: 50 * G, watts: 700 };

export const marketRows: Market = {
  // linkBandwidth and networkBandwidth: bytes a second, one direction, a device; of NVLink half the advertised sum
  hardware: [
    gpu('h800', [989.5, 1979, 80, 3.35], {
      linkBandwidth: 200 * G,
      networkBandwidth: 50 * G,
      watts: 700,
      price: { low: 30000, middle: 30000, high: 30000 },
      date: '2024-12-26',
      source:
        'DeepSeek-V3 report: NVLink 400 GB/s in both directions, 8 links of 400 Gbit/s a node; price: a rough estimate',
    }),
    gpu('h100', [989.5, 1979, 80, 3.35], { ...hopper, date: '2022' }),
    gpu('h200', [989.5, 1979, 141, 4.8], { ...hopper, date: '2024' }),
    gpu('gb200-nvl72', [2500, 5000, 186, 8], { linkBandwidth: 900 * G, devicesPerNode: 72, date: '2024' }),
    gpu('a100', [312, null, 80, 2.04], { linkBandwidth: 300 * G, networkBandwidth: 25 * G, watts: 400, date: '2021' }),
    gpu('b200', [2250, 4500, 180, 7.7], {
      linkBandwidth: 900 * G,
      networkBandwidth: 50 * G,
      watts: 1000,
      date: '2024',
    }),
    gpu('mi300x', [1307, 2615, 192, 5.3], { linkBandwidth: 448 * G, watts: 750, date: '2023-12' }),
    gpu('rtx-4090', [165, 330, 24, 1.01], { devicesPerNode: 1, watts: 450, date: '2022' }),
    gpu('rtx-5090', [210, 419, 32, 1.79], { devicesPerNode: 1, watts: 575, date: '2025-01' }),
  ],
  // What an hour of one device costs on demand, USD.
  rent: [
    {
      device: 'h800',
      provider: 'the assumption of the V3 report',
      date: '2024-12-26',
      price: 2,
      source: 'DeepSeek-V3 report, table 1',
    },
    { device: 'h100', provider: 'RunPod community', date: '2025', price: 1.99, source: rent109 },
    ...quotes('h100', '2026-11-09', rent109, [
      ['Vast, median', 2.4],
      ['RunPod community', 2.69],
      ['RunPod secure', 3.49],
      ['Lambda 8x', 3.99],
      ['AWS p5', 6.88],
      ['GCP a3-1g', 10.98],
      ['Azure ND', 12.29],
    ]),
    ...quotes('h100', '2026-10-24', screener, [
      ['Akash', 2.58],
      ['Nebius', 3.85],
    ]),
    ...quotes('h200', '2026-10-24', screener, [
      ['Civo', 3.45],
      ['Hyperstack', 3.99],
      ['RunPod', 4.44],
      ['Akash', 4.45],
      ['Nebius', 5.4],
      ['CoreWeave', 6.3],
    ]),
    ...quotes('b200', '2026-10-24', screener, [
      ['Akash', 5],
      ['RunPod', 5.98],
      ['RunPod secure', 6.79],
      ['Lambda 8x', 6.69],
    ]),
    ...quotes('b200', '2026-05', sily, [['Vast', 4.23]]),
    ...quotes('a100', '2026-11-09', rent109, [
      ['Vast, median', 1.14],
      ['RunPod community', 1.39],
      ['RunPod secure', 1.79],
      ['Lambda', 2.79],
      ['AWS p4de', 3.43],
      ['Azure', 3.67],
    ]),
    ...quotes('mi300x', '2026-05-27', 'generatedgallerybot guide', [['RunPod', 1.99]]),
    ...quotes('rtx-4090', '2026-10', sily, [
      ['openrelay', 0.29],
      ['RunPod', 0.69],
    ]),
    ...quotes('rtx-5090', '2026-05', sily, [['Vast', 0.91]]),
    // an hour of one hardware thread of a rented server
    ...quotes('vcpu', '2026-06', 'list price of m7g.large, us-east-1, for each of 2', [['AWS m7g', 0.0408]]),
    ...quotes('vcpu', '2024', 'list prices of 2024, not checked since, for each of 2', [
      ['AWS c7i.large', 0.0446],
      ['Hetzner CCX13', 0.011],
    ]),
  ],
  // USD a million tokens from a date on. hit: of input that is in the provider's cache.
  api: [
    ...api('deepseek-v3', 'all', '2025-02-08', 'api-docs.deepseek.com', [0.07, 0.27, 1.1]),
    ...api('deepseek-v3', 'off-peak', '2025-02-26', 'api-docs.deepseek.com', [0.035, 0.135, 0.55]),
    ...api('deepseek-r1', 'all', '2025-01-20', 'api-docs.deepseek.com', [0.14, 0.55, 2.19]),
    ...api('deepseek-r1', 'off-peak', '2025-02-26', 'api-docs.deepseek.com', [0.035, 0.135, 0.55]),
    ...api('deepseek-v3.2-exp', 'all', '2025-09-29', 'api-docs.deepseek.com', [0.028, 0.28, 0.42]),
    ...api('o1', 'all', '2024-12-17', 'pydantic/genai-prices (2026-08-21)', [7.5, 15, 60]),
    ...api('gpt-4o', 'all', '2024-10-01', 'pydantic/genai-prices (2026-08-21)', [1.25, 2.5, 10]),
    ...api('deepseek-flash', 'off-peak', '2026-10-17', 'api-docs.deepseek.com (2026-11)', [0.003, 0.15, 0.6]),
    ...api('deepseek-flash', 'peak', '2026-10-17', 'api-docs.deepseek.com (2026-11)', [0.006, 0.3, 1.2]),
    ...api('deepseek-v4-pro', 'off-peak', '2026-08-13', 'api-docs.deepseek.com (2026-11)', [0.022, 0.66, 1.98]),
    ...api('deepseek-v4-pro', 'peak', '2026-08-13', 'api-docs.deepseek.com (2026-11)', [0.044, 1.32, 3.96]),
    ...api('gpt-6-sol', 'all', '2026-09-22', 'PromptFuel 1.0.21', [0.2, 2, 10]),
    ...api('gpt-6.1-sol', 'all', '2026-09-29', 'PromptFuel 1.0.22', [0.1, 2, 10]),
    ...api('gpt-6-luna', 'all', '2026-09-29', 'codersera', [0.01, 0.1, 0.5]),
    ...api('claude-opus-5.5', 'all', '2026-11', 'platform.claude.com', [0.2, 4, 20]),
    ...api('claude-sonnet-5.5', 'all', '2026-11', 'platform.claude.com', [0.2, 2, 10]),
    ...api('claude-haiku-5.5', 'all', '2026-11', 'platform.claude.com', [null, 0.1, 0.5]),
    ...api('claude-fable-5.1', 'all', '2026-11', 'platform.claude.com', [0.25, 10, 50]),
  ],
  // USD a kilowatt-hour; overhead: energy of the building for each unit of the machines'
  electricity: {
    price: { low: 0.08, middle: 0.1, high: 0.12 },
    overhead: 1.2,
    date: '2026-11',
    source: 'an industrial tariff, as an assumption',
  },
};

function quotes(
  device: string,
  date: string,
  source: string,
  prices: readonly (readonly [provider: string, price: number])[],
): Market['rent'][number][] {
  return prices.map(([provider, price]) => ({ device, provider, date, price, source }));
}

function api(
  model: string,
  period: Market['api'][number]['period'],
  date: string,
  source: string,
  [hit, input, output]: readonly [number | null, number, number],
): Market['api'][number][] {
  return [{ model, period, date, hit, input, output, source }];
}

// What every device packs, unpacked again by its name for the layout: the rows as they were. npm test -- panel-layout
import assert from 'node:assert/strict';
import { after, describe, test } from 'node:test';
import { Random } from '../math/index.ts';
import type { Device } from './device.ts';
import { dtypeCode } from './dtype.ts';
import { type PanelFormat, panelBytes, unpackedBytes, unpackPanels, weightStride } from './panel-layout.ts';
import { productDevices } from './test-devices.ts';

const formats: readonly PanelFormat[] = ['f32', 'bf16', 'e4m3', 'int8', 'int4'];
/**
 * Fewer columns than a panel, whole panels, one column more than two panels; odd reductions where the format has them.
 */
const sizes = [
  { groups: 1, n: 3, k: 32 },
  { groups: 1, n: 64, k: 128 },
  { groups: 2, n: 65, k: 96 },
  { groups: 2, n: 33, k: 7 },
];

/** Bytes that are numbers in each format, so that none of them is changed by a move. */
function randomRows(format: PanelFormat, count: number, random: Random): Uint8Array<ArrayBuffer> {
  const bytes = Uint8Array.from({ length: count }, () => random.below(256));
  const width = format === 'f32' ? 4 : format === 'bf16' ? 2 : 0;
  for (let i = width - 1; width > 0 && i < count; i += width) bytes[i] = 0x40 | (bytes[i] & 0x80);
  return bytes;
}

async function packed(
  device: Device,
  format: PanelFormat,
  rows: Uint8Array<ArrayBuffer>,
  size: (typeof sizes)[number],
) {
  const { groups, n, k } = size;
  const from = device.alloc(rows.length);
  const to = device.alloc(panelBytes(format, n, k, device.panelWidth, groups));
  device.write(from, rows);
  if (format === 'int8' || format === 'int4')
    device.run(`pack_panels_${format}`, { blocks: from, panels: to, n, k, groups });
  else {
    const type = dtypeCode[format];
    device.run('pack_panels', { b: from, panels: to, n, k, groups, b_type: type, panel_type: type });
  }
  const panels = await device.read(to, new Uint8Array(to.bytes));
  for (const buffer of [from, to]) buffer.free();
  return panels;
}

describe('panel layouts', () => {
  const devices = productDevices();
  after(async () => {
    for (const device of devices) await device.close();
  });
  for (const device of devices)
    test(`${device.name} ${device.isa}: ${device.panelLayout.order} of ${device.panelLayout.width}`, async () => {
      const random = new Random(7);
      for (const format of formats)
        for (const size of sizes) {
          const { groups, n, k } = size;
          if (k % 32 !== 0 && format.startsWith('int')) continue;
          const rows = randomRows(format, groups * unpackedBytes(format, n, k), random);
          const panels = await packed(device, format, rows, size);
          const each = weightStride(format, n, k, device.panelLayout);
          const again = Array.from({ length: groups }, (_, group) =>
            unpackPanels(panels.subarray(group * each, (group + 1) * each), format, n, k, device.panelLayout),
          );
          assert.deepEqual(Buffer.concat(again), Buffer.from(rows), `${format} ${groups} x [${n}, ${k}]`);
        }
    });
});

// The planner: what a model costs to train, to serve, and to teach, as formulas over a configuration, hardware, and
// dated prices. Pure: no device, no files, no network; browsers load it too.
export { type Band, bandAround, expectBand, type PriceBand, point, priceBandSchema } from './band.ts';
export { PlanError } from './errors.ts';
export { derive, exact, type Figure, type Given, given, total } from './figure.ts';
export {
  type ApiPrice,
  apiPrice,
  findHardware,
  type Hardware,
  type Market,
  market,
  moneyBand,
  rentBand,
  statedPrice,
  today,
  withRows,
} from './market.ts';

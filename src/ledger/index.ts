// The ledger: what a model cost to make, with its ancestors, its teachers, and what failed on the way.
export { type Amount, type Money, recordAmount, sumAmounts } from './amount.ts';
export { type Bill, type BillNode, listNodes, type Title, titles, writeBill } from './bill.ts';
export { describeBillTree } from './bill-text.ts';
export { writeCard, writeCostBlock } from './card.ts';
export { findRunsFolder, type OpenBillOptions, type OpenedBill, openBill } from './open-bill.ts';

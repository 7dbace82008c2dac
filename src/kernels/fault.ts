// The error for what a kernel, or the queue itself, found wrong with a command while it ran.
import { DeviceError, type MinkeError, ValueError } from './errors.ts';
import { type Fault, faultCode } from './kernel.ts';

/** Returns the error for a fault, in the name of the kernel. */
export function explainFault(kernel: string, fault: Fault): MinkeError {
  const { command, where, value, limit } = fault;
  switch (fault.code) {
    case faultCode.indexOutOfRange:
      return new ValueError(
        kernel,
        `element ${where} is ${value}, expected 0 to ${limit - 1}`,
        'check the ids against the table they index',
      );
    case faultCode.badOffsets:
      return new ValueError(
        kernel,
        `offset ${where} is ${value}, expected ascending offsets that end at ${limit}`,
        'check the group sizes against the rows',
      );
    case faultCode.notFinite:
      return new ValueError(kernel, `element ${where} is not finite`, 'look for the first op that made it');
    case faultCode.badCommand:
      return new DeviceError(
        kernel,
        `command ${command} is kernel ${where} with ${value} arguments, expected ${limit}`,
        'encode commands with run() only',
      );
    default:
      return new DeviceError(kernel, `${value} tasks in one command, at most ${limit}`, 'split the tensor');
  }
}

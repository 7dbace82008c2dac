// Kullback-Leibler divergence between rows of logits [rows, V] of a student and a teacher, defined, with its gradient
// by the student's logits. With p of the student and q of the teacher: reversed, the sum of p (log p - log q), else of
// q (log q - log p). A probability of 0 adds nothing. A row of weight 0 gives zeros.
import { kernel } from '../kernel.ts';

/** log of the sum of e^x. */
function logSumExp(row: Float32Array): number {
  const top = row.reduce((a, b) => Math.max(a, b), Number.NEGATIVE_INFINITY);
  return top + Math.log(row.reduce((sum, x) => sum + Math.exp(x - top), 0));
}

const inputs = 'student:f32 teacher:f32 weight:f32';
const sizes = 'rows:int V:int reverse:int';

export const divergence = {
  kl_divergence_f32: kernel(
    `${inputs} kl:f32! student_lse:f32! teacher_lse:f32! ${sizes}`,
    (student, teacher, weight, kl, studentLse, teacherLse, rows, V, reverse) => {
      for (let r = 0; r < rows; r++) {
        kl[r] = studentLse[r] = teacherLse[r] = 0;
        if (weight[r] === 0) continue;
        const [s, t] = [student, teacher].map((logits) => logits.subarray(r * V, (r + 1) * V));
        const [sLse, tLse] = [logSumExp(s), logSumExp(t)];
        [studentLse[r], teacherLse[r]] = [sLse, tLse];
        const [sLogs, tLogs] = [Float64Array.from(s, (x) => x - sLse), Float64Array.from(t, (x) => x - tLse)];
        const [p, q] = reverse ? [sLogs, tLogs] : [tLogs, sLogs];
        kl[r] = p.reduce((sum, logP, i) => (Math.exp(logP) === 0 ? sum : sum + Math.exp(logP) * (logP - q[i])), 0);
      }
    },
  ),

  kl_divergence_backward_f32: kernel(
    `${inputs} kl:f32 student_lse:f32 teacher_lse:f32 grad:f32 dlogits:f32! ${sizes}`,
    (student, teacher, weight, kl, studentLse, teacherLse, grad, dlogits, rows, V, reverse) => {
      for (let i = 0; i < rows * V; i++) {
        const r = Math.floor(i / V);
        const [logP, logQ] = [student[i] - studentLse[r], teacher[i] - teacherLse[r]];
        const p = Math.exp(logP);
        const reversed = p === 0 ? 0 : p * (logP - logQ - kl[r]);
        dlogits[i] = weight[r] === 0 ? 0 : grad[r] * (reverse ? reversed : p - Math.exp(logQ));
      }
    },
  ),
};

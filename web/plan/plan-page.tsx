// The plan page: a published claim of cost, opened; and your own model beside it. All formulas run in the page.
import './no-eval.ts';
import './plan.css';
import { Notice } from '../shell/notice.tsx';
import { ClaimSection } from './claim-section.tsx';
import { FigureDialog } from './figure-button.tsx';
import { ModelSection } from './model-section.tsx';
import { refusedWords } from './plan-state.ts';

export function PlanPage() {
  return (
    <div class="plan">
      <h1>Plan</h1>
      <p class="quiet">
        What a model costs to train and to serve. Each number opens its formula, inputs, and source; the address keeps
        your choices. Assumptions are marked so, and unknown prices stay unknown.
      </p>
      {refusedWords.value.map((message) => (
        <Notice key={message} message={`In this address, ${message}.`} />
      ))}
      <ClaimSection />
      <ModelSection />
      <FigureDialog />
    </div>
  );
}

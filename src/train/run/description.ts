// What a kind of run says about itself, as plain JSON: arguments, charts, headline. Needs nothing of Node.
//
// The server sends it to the page, and the report reads it: a chart is defined once and drawn as SVG or live.

/** What the events of every kind of run have in common. */
export interface RunEvent {
  readonly event: string;
  /** Milliseconds since 1970. */
  readonly time: number;
  readonly step?: number | undefined;
  /** FLOPs of all work of the run until then. */
  readonly flops?: number | undefined;
}

/** The name of the folder of a checkpoint. */
export const checkpointName = (step: number): string => `step-${String(step).padStart(8, '0')}`;

/** How a number is written for people: as it is, with few digits, or as a percentage. */
export type NumberFormat = 'number' | 'percent';

/** A line of a chart: the values of one field of the events of one name, over steps. */
export interface ChartSeries {
  readonly name: string;
  /** The name of the events: `step`, `evaluated`. */
  readonly event: string;
  readonly field: string;
  /** One line for each combination of the values of these fields, such as task and difficulty, named after them. */
  readonly groupBy?: readonly string[];
  /** Drawn as a running mean, with the measured values faint behind it. */
  readonly smooth?: boolean;
  /** A zero means that nothing was measured, as in the rate of the step after a pause. */
  readonly zeroIsGap?: boolean;
  /** Colors the line as a success or a failure; otherwise its color follows from its order. */
  readonly tone?: 'good' | 'bad';
}

/** Lines over steps. A chart without a value is not drawn. */
export interface Chart {
  readonly id: string;
  readonly title: string;
  /** What the vertical axis measures. */
  readonly unit: string;
  readonly format: NumberFormat;
  readonly series: readonly ChartSeries[];
  /** Takes the whole width of the page. */
  readonly isWide?: boolean;
  /** The first values lie far off: the vertical axis is chosen for those that follow. */
  readonly skipsStart?: boolean;
  /** Not drawn while all of its values are zero. */
  readonly hideZeros?: boolean;
}

/** A number of the head of a run's page and of the list of runs: a field of the latest event of a name, or its mean. */
export interface HeadlineNumber {
  readonly label: string;
  readonly event: string;
  readonly field: string;
  readonly format: NumberFormat;
}

/**
 * What a user gives besides the recipe. files: data to train on. checkpoint: a folder with a model to begin from.
 * model: one that is only asked, a folder, a .gguf file or the address of an API. tasks: names of tasks, `name:4` for a
 * difficulty. number: a number.
 */
export interface KindArgument {
  /** `data` for `--data`. */
  readonly flag: string;
  /** The field of the recipe that it sets: `data.inputs`. */
  readonly path: string;
  readonly type: 'files' | 'checkpoint' | 'model' | 'tasks' | 'number';
  /** The run cannot begin without it, unless the recipe sets the field. */
  readonly isRequired: boolean;
  readonly about: string;
  /** What a task becomes in the list at the path. @default { field: 'task' } */
  readonly item?: TaskItem;
}

/** An item of a recipe's list that names a task. */
export interface TaskItem {
  /** The field with the name of the task. */
  readonly field: string;
  /** The other fields, besides the difficulty. */
  readonly fields?: Readonly<Record<string, string | number>>;
}

/** What a kind says about itself, as JSON. */
export interface RunDescription {
  /** The verb of the command line, and the kind in lineage.json. */
  readonly name: string;
  /** For people: `Pretraining`. */
  readonly title: string;
  /** A sentence for the help and the page. */
  readonly about: string;
  readonly arguments: readonly KindArgument[];
  /** Fields of the recipe that people change most, by path. */
  readonly mainFields: readonly string[];
  readonly charts: readonly Chart[];
  readonly headline: readonly HeadlineNumber[];
}

/** A row of a report: what it is, and its value. */
export type Fact = readonly [name: string, value: string];

// The train page: a chunk of its own, loaded when it is first opened.
export function TrainPage() {
  return <h1 class="page-note">Train</h1>;
}

// The form in which commands wait: numbers, so that a list is one copy into device memory.

/** An open list of commands: a growing array of [kernel, count, words...]. */
export class CommandList {
  words = new Float64Array(4096);
  length = 0;
  commands = 0;

  push(kernel: number, words: readonly number[]): void {
    const count = words.length;
    let at = this.length;
    if (at + count + 2 > this.words.length) this.#grow();
    const target = this.words;
    target[at] = kernel;
    target[at + 1] = count;
    at += 2;
    for (let i = 0; i < count; i++) target[at + i] = words[i];
    this.length = at + count;
    this.commands++;
  }

  clear(): void {
    this.length = 0;
    this.commands = 0;
  }

  #grow(): void {
    const larger = new Float64Array(this.words.length * 2);
    larger.set(this.words);
    this.words = larger;
  }
}

// Tells zod not to compile its checks: the page's content security policy forbids to make code from text. Imported
// before every schema.
import { z } from 'zod';

z.config({ jitless: true });

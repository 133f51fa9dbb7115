import { readYamlFile } from '../config/yaml-file.ts';
import { PipelineError } from '../domain/errors.ts';
import { SourcesFile } from '../domain/gpu-source/sources-file.ts';

/** The operator's file of GPU sources, checked; every problem is named with its field. */
export function readSourcesFile(path: string): SourcesFile {
  const parsed = SourcesFile.safeParse(readYamlFile(path));
  if (parsed.success) return parsed.data;
  const problems = parsed.error.issues.map(
    (issue) => `  ${issue.path.join('.') || '(file)'}: ${issue.message}`,
  );
  throw new PipelineError('InvalidInput', `${path} is no file of GPU sources:\n${problems.join('\n')}`);
}

/** What a base model's license asks of everything made from it. */
export interface License {
  /** Values of the card's YAML. */
  yaml: { license: string; license_name?: string; license_link?: string };
  /** Notice that has to stand in every copy, verbatim; empty: none. */
  notice: string;
  /** Statement that the work was modified. */
  modification: string;
  /** A public demo needs a person's sign-off. */
  nonCommercial: boolean;
}

const FLUX_LINK = 'https://huggingface.co/black-forest-labs/FLUX.1-dev/blob/main/LICENSE.md';
/** The attribution that FLUX.1 [dev]'s license prescribes, word for word. */
export const FLUX_NOTICE =
  'The FLUX.1 [dev] Model is licensed by Black Forest Labs. Inc. under the FLUX.1 [dev] Non-Commercial License. ' +
  'Copyright Black Forest Labs. Inc.\n\n' +
  'IN NO EVENT SHALL BLACK FOREST LABS, INC. BE LIABLE FOR ANY CLAIM, DAMAGES OR OTHER LIABILITY, WHETHER IN AN ACTION ' +
  'OF CONTRACT, TORT OR OTHERWISE, ARISING FROM, OUT OF OR IN CONNECTION WITH USE OF THIS MODEL.';

/** The license that a base model puts on its adapters; the project's own tiny base is Apache-2.0. */
export function licenseFor(baseRepo: string): License {
  if (baseRepo === 'plein-air/tiny-flux')
    return {
      yaml: { license: 'apache-2.0' },
      notice: '',
      modification:
        'Trained on generated pictures, for demonstration: the tiny base is no substitute for FLUX.1 [dev].',
      nonCommercial: false,
    };
  const modification = `This adapter modifies ${baseRepo}: a low-rank adaptation was trained on top of it by Plein Air. It is not the original model.`;
  if (/^black-forest-labs\/FLUX\.1-schnell$/i.test(baseRepo))
    return { yaml: { license: 'apache-2.0' }, notice: '', modification, nonCommercial: false };
  // Anything else counts as a FLUX.1 [dev] derivative: the stricter reading is the safe one.
  return {
    yaml: {
      license: 'other',
      license_name: 'flux-1-dev-non-commercial-license',
      license_link: FLUX_LINK,
    },
    notice: FLUX_NOTICE,
    modification,
    nonCommercial: true,
  };
}

/** Two places, and what joins them. */
export function Logo({ size = 28 }: { readonly size?: number }) {
  return (
    <svg width={size} height={size} viewBox="0 0 32 32" aria-hidden>
      <rect width="32" height="32" rx="8" fill="#0b7285" />
      <circle cx="10" cy="16" r="5" fill="none" stroke="#fff" strokeWidth="2.5" />
      <circle cx="22" cy="16" r="5" fill="#fff" />
      <path d="M13.5 12.5h5M13.5 19.5h5" stroke="#fff" strokeWidth="2" />
    </svg>
  );
}

import type { ReactNode } from "react";
import { formatSigned, signOf } from "../money";

export function Panel({
  title,
  aside,
  children,
  id,
}: {
  title: string;
  aside?: ReactNode;
  children: ReactNode;
  id?: string;
}) {
  return (
    <section className="flex min-w-0 flex-col rounded-lg border border-line bg-panel" aria-label={title} id={id}>
      <header className="flex min-h-11 flex-wrap items-center justify-between gap-2 border-line border-b px-4 py-2">
        <h2 className="font-medium text-sm">{title}</h2>
        {aside}
      </header>
      <div className="min-w-0 flex-1 p-4">{children}</div>
    </section>
  );
}

/** A signed amount: direction by shape and by colour. */
export function Signed({ value, decimals = 2 }: { value: string | null | undefined; decimals?: number }) {
  const sign = signOf(value);
  const tone = sign > 0 ? "text-up" : sign < 0 ? "text-down" : "text-soft";
  return (
    <span className={tone}>
      <span aria-hidden="true">{sign > 0 ? "▲ " : sign < 0 ? "▼ " : ""}</span>
      {formatSigned(value, decimals)}
    </span>
  );
}

export function Side({ side }: { side: "buy" | "sell" }) {
  return <span className={side === "buy" ? "text-up" : "text-down"}>{side === "buy" ? "▲ Buy" : "▼ Sell"}</span>;
}

/** What stands where there is nothing yet, with the next step. */
export function Empty({ children }: { children: ReactNode }) {
  return <p className="py-6 text-center text-soft">{children}</p>;
}

export function Skeleton({ className = "h-24" }: { className?: string }) {
  return <div className={`motion-safe:animate-pulse rounded bg-raised ${className}`} aria-hidden="true" />;
}

export function Problem({ children }: { children: ReactNode }) {
  return (
    <p role="alert" className="rounded border border-danger bg-danger/10 px-3 py-2 text-sm">
      {children}
    </p>
  );
}

const variants = {
  plain: "border-line bg-raised hover:border-soft",
  primary: "border-accent bg-accent font-medium text-page hover:opacity-90",
  danger: "border-danger bg-danger font-medium text-white hover:opacity-90",
};

interface ButtonProps extends React.ButtonHTMLAttributes<HTMLButtonElement> {
  variant?: keyof typeof variants;
}

export function Button({ variant = "plain", className = "", type = "button", ...rest }: ButtonProps) {
  const look = "min-h-9 cursor-pointer rounded border px-3 py-1.5 disabled:cursor-not-allowed disabled:opacity-50";
  return <button type={type} className={`${look} ${variants[variant]} ${className}`} {...rest} />;
}

interface FieldProps extends React.InputHTMLAttributes<HTMLInputElement> {
  label: string;
  hint?: ReactNode;
  problem?: string | null | undefined;
}

export function Field({ label, hint, problem, id, className = "", ...rest }: FieldProps) {
  const name = id ?? `field-${label.toLowerCase().replace(/\W+/g, "-")}`;
  return (
    <div className={`min-w-0 ${className}`}>
      <label htmlFor={name} className="mb-1 block text-soft text-xs">
        {label}
      </label>
      <input
        id={name}
        className="min-h-9 w-full min-w-0 rounded border border-line bg-page px-2.5 py-1.5 aria-invalid:border-danger"
        aria-invalid={problem ? true : undefined}
        aria-describedby={problem || hint ? `${name}-note` : undefined}
        {...rest}
      />
      {(problem || hint) && (
        <p id={`${name}-note`} className={`mt-1 text-xs ${problem ? "text-down" : "text-soft"}`}>
          {problem ?? hint}
        </p>
      )}
    </div>
  );
}
